// SPDX-License-Identifier: Apache-2.0
//
// What somebody may do with an account, and what this node takes now.
import { serves, useStore } from "./store";

export const LEVELS = ["view", "modify", "manage"] as const;

export const mayModify = (level: string | null) => level === "modify" || mayManage(level);
export const mayManage = (level: string | null) => level === "manage" || level === "owner";

// Changes are the primary's; what takes a right away, emergency access takes too.
export const useChanges = () => useStore((s) => serves(s) === "primary");
export const useWithdrawals = () => useStore((s) => serves(s) !== "");
