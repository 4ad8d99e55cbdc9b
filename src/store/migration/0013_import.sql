-- SPDX-License-Identifier: Apache-2.0
-- An import is asked for by its id: what became of it, and whether it is there already.
CREATE INDEX event_import ON event (object) WHERE kind = 70;
