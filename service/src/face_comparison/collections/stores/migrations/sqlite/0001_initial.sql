CREATE TABLE collection (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    model_version TEXT NOT NULL,
    width INTEGER NOT NULL,
    max_false_positive_rate REAL NOT NULL,
    retention_days INTEGER,
    metadata TEXT NOT NULL,
    created REAL NOT NULL,
    face_count INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    metadata TEXT NOT NULL,
    expires REAL,
    created REAL NOT NULL,
    UNIQUE (collection_id, user_id)
);
CREATE INDEX person_expires ON person (expires) WHERE expires IS NOT NULL;
-- Ids count up and are never reused: workers keep their copies of the vectors in this order.
CREATE TABLE face (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
    face_id TEXT NOT NULL,
    person_id INTEGER REFERENCES person,
    source_key BLOB NOT NULL,
    external_image_id TEXT,
    image_id TEXT,
    box TEXT,
    confidence REAL,
    created REAL NOT NULL,
    embedding BLOB NOT NULL,
    UNIQUE (collection_id, face_id),
    UNIQUE (collection_id, source_key)
);
CREATE INDEX face_collection ON face (collection_id);
CREATE INDEX face_person ON face (person_id);
CREATE INDEX face_created ON face (collection_id, created);
-- Which faces were added, changed or deleted, for the copies in the memory of other workers.
CREATE TABLE change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL,
    face INTEGER NOT NULL
);
CREATE TABLE erasure (
    erasure_id TEXT PRIMARY KEY,
    collection TEXT NOT NULL,
    subject TEXT NOT NULL,
    faces INTEGER NOT NULL,
    deleted REAL NOT NULL,
    scrubbed REAL,
    backups_until REAL
);
CREATE TABLE secret (name TEXT PRIMARY KEY, value BLOB NOT NULL);
