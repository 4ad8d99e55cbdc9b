-- SPDX-License-Identifier: Apache-2.0
-- Teams: principals that nobody logs in as. What is shared with one is shared with its members.
ALTER TABLE principal DROP CONSTRAINT principal_role_check;
ALTER TABLE principal ADD CONSTRAINT principal_role_check CHECK (role IN ('administrator', 'user', 'team'));

CREATE TABLE member (
	team uuid NOT NULL REFERENCES principal,
	principal uuid NOT NULL REFERENCES principal,
	since timestamptz NOT NULL,
	PRIMARY KEY (team, principal)
);
CREATE INDEX member_principal ON member (principal);
-- Who put themselves into a team, which administrators are told of (query/notice.sql).
CREATE INDEX event_joined ON event (node, seq) WHERE kind = :MEMBER_ADDED AND (body::jsonb->>'user')::uuid = actor;
CREATE INDEX word_member ON word (principal) WHERE what = 'member';
GRANT SELECT, INSERT, UPDATE, DELETE ON member TO hf_vault;

-- What users reach through shares, their own and those of their teams: what lists begin from. Whether somebody is entitled to a secret or a change is read from
-- the shares themselves.
CREATE TABLE reach (
	principal uuid NOT NULL,
	target uuid NOT NULL,
	level int NOT NULL,
	PRIMARY KEY (principal, target)
);
CREATE INDEX reach_target ON reach (target);
GRANT SELECT, INSERT, UPDATE, DELETE ON reach TO hf_vault;
INSERT INTO reach (principal, target, level) SELECT principal, target, level FROM share;
