-- SPDX-License-Identifier: Apache-2.0
-- Two more roles (vault/role.def).
ALTER TABLE principal DROP CONSTRAINT principal_role_check;
ALTER TABLE principal ADD CONSTRAINT principal_role_check CHECK (role IN ('auditor', 'user', 'password_administrator', 'administrator', 'team'));
