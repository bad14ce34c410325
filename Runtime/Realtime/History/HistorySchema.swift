internal import GRDB

/// Texts from outside are bytes in the log: SQLite's own texts end at a zero byte, and `a\0b` must not be taken for `a`. The tables of
/// messaging hold texts, so that people can read them; nothing with a zero byte is let in there.
enum HistorySchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("log, messaging") { database in
            try database.execute(
                sql: """
                    CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

                    CREATE TABLE topics (
                        number INTEGER PRIMARY KEY AUTOINCREMENT,
                        key BLOB NOT NULL UNIQUE,
                        epoch TEXT NOT NULL,
                        last_offset INTEGER NOT NULL, first_offset INTEGER NOT NULL,
                        count INTEGER NOT NULL, bytes INTEGER NOT NULL,
                        idle_since INTEGER
                    ) STRICT;
                    CREATE TABLE log (
                        number INTEGER PRIMARY KEY AUTOINCREMENT,
                        topic INTEGER NOT NULL, offset INTEGER NOT NULL,
                        id BLOB, dedup_key BLOB, event BLOB, is_binary INTEGER NOT NULL, body BLOB, extra BLOB, sender BLOB,
                        time INTEGER NOT NULL, bytes INTEGER NOT NULL,
                        UNIQUE (topic, offset)
                    ) STRICT;
                    CREATE INDEX log_dedup ON log (topic, offset) WHERE dedup_key IS NOT NULL;

                    CREATE TABLE messages (
                        number INTEGER PRIMARY KEY AUTOINCREMENT,
                        id TEXT NOT NULL, conversation TEXT NOT NULL, is_private INTEGER NOT NULL,
                        sender TEXT, offset INTEGER NOT NULL, time INTEGER NOT NULL,
                        UNIQUE (id, conversation, is_private)
                    ) STRICT;
                    CREATE INDEX messages_of_conversation ON messages (conversation, is_private, number);
                    CREATE TABLE conversation_members (
                        member TEXT NOT NULL, conversation TEXT NOT NULL, is_private INTEGER NOT NULL,
                        since INTEGER NOT NULL, joined_at INTEGER NOT NULL,
                        PRIMARY KEY (member, conversation, is_private)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE message_read_receipts (
                        id TEXT PRIMARY KEY,
                        message INTEGER NOT NULL REFERENCES messages (number) ON DELETE CASCADE,
                        message_id TEXT NOT NULL, read_by_user_id TEXT, read_by_customer_id TEXT, read_at INTEGER NOT NULL,
                        reader TEXT NOT NULL,
                        CHECK ((read_by_user_id IS NULL) <> (read_by_customer_id IS NULL)),
                        CONSTRAINT unique_message_reader UNIQUE (message, reader)
                    ) STRICT;
                    CREATE INDEX receipts_of_message ON message_read_receipts (message_id);
                    CREATE TABLE message_delivery_status (
                        id TEXT PRIMARY KEY,
                        message INTEGER NOT NULL REFERENCES messages (number) ON DELETE CASCADE,
                        message_id TEXT NOT NULL,
                        status TEXT NOT NULL CHECK (status IN ('sent', 'delivered', 'read', 'failed')),
                        recipient_type TEXT CHECK (recipient_type IN ('customer', 'staff')), recipient_id TEXT NOT NULL,
                        delivered_at INTEGER, read_at INTEGER, failed_reason TEXT,
                        UNIQUE (message, recipient_id)
                    ) STRICT;
                    CREATE INDEX status_of_message ON message_delivery_status (message_id, recipient_id);
                    CREATE TABLE user_presence (
                        id TEXT PRIMARY KEY,
                        user_id TEXT UNIQUE, customer_id TEXT UNIQUE,
                        status TEXT NOT NULL CHECK (status IN ('online', 'away', 'offline')),
                        last_seen_at INTEGER NOT NULL, metadata TEXT NOT NULL DEFAULT '{}',
                        CHECK ((user_id IS NULL) <> (customer_id IS NULL))
                    ) STRICT;
                    """)
        }
        return migrator
    }
}
