-- The rules of a conversation's kind that queries ask for (domain/conversations/kind.rs), so that a new kind changes no
-- query.
ALTER TABLE conversations ADD COLUMN by_link BOOLEAN NOT NULL DEFAULT FALSE;       -- opened by its link, among the rooms
ALTER TABLE conversations ADD COLUMN shows_people BOOLEAN NOT NULL DEFAULT FALSE;  -- of named people, among the threads
ALTER TABLE conversations ADD COLUMN in_sync BOOLEAN NOT NULL DEFAULT TRUE;        -- received by programs that catch up
UPDATE conversations SET by_link = (kind = 'room'), shows_people = (kind = 'thread'), in_sync = (kind <> 'match');

-- The column of the kind had a list of the kinds there are; now the program alone knows them.
ALTER TABLE conversations ADD COLUMN any_kind TEXT NOT NULL DEFAULT '';
UPDATE conversations SET any_kind = kind;
ALTER TABLE conversations DROP COLUMN kind;
ALTER TABLE conversations RENAME COLUMN any_kind TO kind;
