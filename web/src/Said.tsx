// SPDX-License-Identifier: Apache-2.0
//
// What became of what somebody asked for.
import { useState } from "preact/hooks";
import type { Answer } from "./api";
import { failure } from "./words";

export interface Word {
	text: string;
	bad: boolean;
}

export function Said({ id, word }: { id: string; word: Word }) {
	return (
		<p id={id} class={word.bad ? "notice bad" : "notice calm"} role="alert" hidden={!word.text}>
			{word.text}
		</p>
	);
}

// The word, and what says it of an answer: done where it was none of a failure. Whether it was none.
export function useSaid(): [Word, (r: Answer<unknown>, done: string) => boolean] {
	const [word, say] = useState<Word>({ text: "", bad: false });
	return [
		word,
		(r, done) => {
			const good = r.status >= 200 && r.status < 300;
			say(good ? { text: done, bad: false } : { text: failure(r), bad: true });
			return good;
		},
	];
}
