-- SPDX-License-Identifier: Apache-2.0
-- Searches find a part of a text by an index. The expressions are those of words_of_resource and words_of_account (query/resource.sql). What is new waits in a
-- small list until enough of it has come; each search reads that too.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX resource_words ON resource USING gin (
	translate(lower(' ' || name || ' ' || address || ' ' || url || ' ' || description), E'\t\n\r!"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~', repeat(' ', 35)) gin_trgm_ops)
	WITH (gin_pending_list_limit = 256) WHERE deleted_at IS NULL;
CREATE INDEX account_words ON account USING gin (
	translate(lower(' ' || login || ' ' || description), E'\t\n\r!"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~', repeat(' ', 35)) gin_trgm_ops)
	WITH (gin_pending_list_limit = 256) WHERE deleted_at IS NULL;
