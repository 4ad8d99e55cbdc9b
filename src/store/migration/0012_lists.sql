-- SPDX-License-Identifier: Apache-2.0
-- What somebody owns, in the order of lists: a page of it, and how much it is, without a walk over all resources.
CREATE INDEX resource_owned ON resource (owner, lower(name), id) WHERE deleted_at IS NULL;
