CREATE TABLE collection (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    model_version text NOT NULL,
    width smallint NOT NULL,
    max_false_positive_rate double precision NOT NULL,
    retention_days integer,
    metadata jsonb NOT NULL,
    created timestamptz NOT NULL,
    face_count bigint NOT NULL DEFAULT 0
);
CREATE TABLE person (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id bigint NOT NULL REFERENCES collection ON DELETE CASCADE,
    user_id text COLLATE "C" NOT NULL,
    metadata jsonb NOT NULL,
    expires timestamptz,
    created timestamptz NOT NULL,
    UNIQUE (collection_id, user_id)
);
CREATE INDEX person_expires ON person (expires) WHERE expires IS NOT NULL;
CREATE TABLE face (
    collection_id bigint NOT NULL REFERENCES collection ON DELETE CASCADE,
    face_id uuid NOT NULL,
    person_id bigint REFERENCES person,
    source_key bytea NOT NULL,
    external_image_id text,
    image_id uuid,
    box jsonb,
    confidence double precision,
    created timestamptz NOT NULL,
    embedding vector NOT NULL,
    PRIMARY KEY (collection_id, face_id),
    UNIQUE (collection_id, source_key)
);
-- Never compressed and never moved out of the row: a search reads every one of them.
ALTER TABLE face ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX face_person ON face (person_id);
CREATE INDEX face_created ON face (collection_id, created);
CREATE TABLE erasure (
    erasure_id uuid PRIMARY KEY,
    collection text NOT NULL,
    subject text NOT NULL,
    faces bigint NOT NULL,
    deleted timestamptz NOT NULL,
    scrubbed timestamptz,
    backups_until timestamptz,
    -- The transaction that deleted: its rows are gone from the files after a rewrite that began when it was over.
    xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE TABLE secret (name text PRIMARY KEY, value bytea NOT NULL);
