-- A block from a talk in which the two had not revealed themselves acts in the matching only: anywhere else it would
-- tell who the stranger was. All earlier blocks come from talks, and nothing says which of those were revealed.
ALTER TABLE blocks ADD COLUMN everywhere BOOLEAN NOT NULL DEFAULT FALSE;
