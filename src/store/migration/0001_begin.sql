-- SPDX-License-Identifier: Apache-2.0
-- The log, and the tables that are its projection.

CREATE TABLE event (
	node uuid NOT NULL,
	seq bigint NOT NULL CHECK (seq > 0),
	at timestamptz NOT NULL,
	kind int NOT NULL,
	actor uuid,
	object uuid,
	address text NOT NULL DEFAULT '',
	body text NOT NULL DEFAULT '{}',
	hash bytea NOT NULL CHECK (octet_length(hash) = 32),
	PRIMARY KEY (node, seq)
);
CREATE INDEX event_at ON event USING brin (at);

-- Nodes of the pair; primary_since_term: the term in which it became primary, NULL for a secondary.
CREATE TABLE node (
	id uuid PRIMARY KEY,
	name text NOT NULL UNIQUE,
	https_port int NOT NULL,
	pair_port int NOT NULL,
	slot text,
	web_cert text,
	joined_at timestamptz NOT NULL,
	primary_since_term bigint
);

CREATE TABLE data_key (
	id int PRIMARY KEY,
	wrapped bytea NOT NULL,
	created_at timestamptz NOT NULL
);

CREATE TABLE principal (
	id uuid PRIMARY KEY,
	name text NOT NULL,
	role text NOT NULL CHECK (role IN ('administrator', 'user')),
	disabled boolean NOT NULL DEFAULT false,
	password_hash text,
	setup_mac bytea,
	setup_until timestamptz,
	totp_sealed bytea,
	totp_step bigint NOT NULL DEFAULT 0,
	failed int NOT NULL DEFAULT 0,
	failed_at timestamptz,
	created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX principal_name ON principal (lower(name));

CREATE TABLE session (
	mac bytea PRIMARY KEY,
	id uuid NOT NULL UNIQUE,
	principal uuid NOT NULL REFERENCES principal,
	created_at timestamptz NOT NULL,
	seen_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	ended_at timestamptz
);
CREATE INDEX session_principal ON session (principal);

CREATE TABLE resource (
	id uuid PRIMARY KEY,
	name text NOT NULL,
	type text NOT NULL DEFAULT '',
	address text NOT NULL DEFAULT '',
	url text NOT NULL DEFAULT '',
	description text NOT NULL DEFAULT '',
	owner uuid NOT NULL REFERENCES principal,
	created_at timestamptz NOT NULL,
	deleted_at timestamptz
);
CREATE UNIQUE INDEX resource_name ON resource (lower(name)) WHERE deleted_at IS NULL;

CREATE TABLE account (
	id uuid PRIMARY KEY,
	resource uuid NOT NULL REFERENCES resource,
	login text NOT NULL,
	description text NOT NULL DEFAULT '',
	current_n int NOT NULL DEFAULT 0,
	conflict boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL,
	deleted_at timestamptz
);
CREATE UNIQUE INDEX account_login ON account (resource, lower(login)) WHERE deleted_at IS NULL;

-- fields: one sealed JSON object of all fields, password included; based_on: the version it was made from.
CREATE TABLE version (
	id uuid PRIMARY KEY,
	account uuid NOT NULL REFERENCES account,
	n int NOT NULL,
	based_on int NOT NULL,
	sealed bytea NOT NULL,
	author uuid,
	created_at timestamptz NOT NULL
);
CREATE INDEX version_account ON version (account, n);

-- target: a resource (all its accounts) or one account. level: 1 view, 2 modify, 3 manage.
CREATE TABLE share (
	target uuid NOT NULL,
	principal uuid NOT NULL REFERENCES principal,
	level int NOT NULL CHECK (level BETWEEN 1 AND 3),
	granted_at timestamptz NOT NULL,
	PRIMARY KEY (target, principal)
);
CREATE INDEX share_principal ON share (principal);

-- The term of the pair; one row.
CREATE TABLE ha_term (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	term bigint NOT NULL,
	system text NOT NULL DEFAULT ''
);
INSERT INTO ha_term (term) VALUES (1);

-- Journal rows that secondaries deposit, as canonical bytes; the writer verifies and appends them.
CREATE TABLE ha_inbox (
	node uuid NOT NULL,
	seq bigint NOT NULL CHECK (seq > 0),
	hash bytea NOT NULL CHECK (octet_length(hash) = 32),
	event bytea NOT NULL CHECK (octet_length(event) <= 262144),
	PRIMARY KEY (node, seq)
);
-- Deposits that failed verification: kept, never dropped.
CREATE TABLE ha_set_aside (
	LIKE ha_inbox,
	at timestamptz NOT NULL DEFAULT now(),
	why text NOT NULL
);

CREATE FUNCTION ha_high_water(n uuid) RETURNS bigint
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
	AS $$ SELECT greatest(
		(SELECT coalesce(max(seq), 0) FROM event WHERE node = n),
		(SELECT coalesce(max(seq), 0) FROM ha_inbox WHERE node = n)) $$;

-- One role per duty. Nothing is granted to PUBLIC.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON FUNCTION ha_high_water(uuid) FROM PUBLIC;
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hf_replicate') THEN
		CREATE ROLE hf_replicate LOGIN REPLICATION;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hf_vault') THEN
		CREATE ROLE hf_vault LOGIN;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hf_deposit') THEN
		CREATE ROLE hf_deposit LOGIN CONNECTION LIMIT 16;
	END IF;
END $$;
GRANT USAGE ON SCHEMA public TO hf_deposit;
GRANT INSERT ON ha_inbox TO hf_deposit;
GRANT EXECUTE ON FUNCTION ha_high_water(uuid) TO hf_deposit;
ALTER ROLE hf_deposit SET synchronous_commit = on;

-- vaultd's own role: it may add to the log, never change or remove what is there.
GRANT USAGE ON SCHEMA public TO hf_vault;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO hf_vault;
REVOKE UPDATE, DELETE, TRUNCATE ON event FROM hf_vault;
GRANT EXECUTE ON FUNCTION ha_high_water(uuid) TO hf_vault;
