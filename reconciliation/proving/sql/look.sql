-- Purpose: what a live proof needs of the server, and what is there. Parameters: schema text (of the ledger's tables;
-- NULL where they are ours); slot text; publications, tables text[]; whole text: the publication of all columns and
-- changes; columns text[]: whose meaning the proof rests on. One row. Columns: schema, ours, database, role,
-- wal_level text; version integer; is_standby, may_replicate, may_publish boolean; slots, most_slots, senders,
-- most_senders bigint; keep_bytes bigint: max_slot_wal_keep_size, NULL where it is unlimited; slot text: its state,
-- NULL where there is none; slot_position, slot_flushed text; kept bytes bigint: of the log, for the slot;
-- fingerprint text; published jsonb: of what is published, by oid, the name, the columns in their order, and whether
-- nothing of it is left out; has_schemas boolean: whether whole schemas are published besides; tables jsonb: by name,
-- its identity, the index of that, whether it is ours to alter, whether it is logged, whether it has parts, and the
-- publications that name columns of it.
WITH there AS (
    SELECT c.oid, c.relname, c.relreplident, c.relpersistence, c.relowner,
           c.relkind = 'p' OR EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = c.oid) AS has_parts,
           (SELECT md5(string_agg(concat_ws(' ', a.attnum, a.attname, a.xmin), ',' ORDER BY a.attnum))
            FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = ANY(%(columns)s::text[])) AS columns
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = coalesce(%(schema)s::text, current_schema()) AND c.relname = ANY(%(tables)s::text[]) AND c.relkind IN ('r', 'p')
)
SELECT coalesce(%(schema)s::text, current_schema()::text) AS schema, current_schema()::text AS ours,
       current_database()::text AS database, current_user::text AS role, current_setting('wal_level') AS wal_level,
       current_setting('server_version_num')::integer AS version, pg_is_in_recovery() AS is_standby,
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user)
       OR EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname IN ('rds_replication', 'rds_superuser')
                  AND pg_has_role(r.oid, 'USAGE')) AS may_replicate,
       has_database_privilege(current_database(), 'CREATE') AS may_publish,
       (SELECT count(*) FROM pg_replication_slots) AS slots,
       current_setting('max_replication_slots')::bigint AS most_slots,
       (SELECT count(*) FROM pg_stat_replication) AS senders,
       current_setting('max_wal_senders')::bigint AS most_senders,
       (SELECT CASE WHEN setting::bigint >= 0 THEN setting::bigint * 1024 * 1024 END
        FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS keep_bytes,
       s.state AS slot, s.flushed AS slot_flushed, s.kept,
       (SELECT string_agg(concat_ws(',', p.pubname, p.oid, p.xmin, r.oid, r.xmin, t.relreplident, t.relpersistence,
                                    t.has_parts, t.columns), ';' ORDER BY p.pubname, r.oid)
        FROM pg_publication AS p
        LEFT JOIN pg_publication_rel AS r ON r.prpubid = p.oid
        LEFT JOIN there AS t ON t.oid = r.prrelid
        WHERE p.pubname = ANY(%(publications)s::text[])) AS fingerprint,
       (SELECT coalesce(jsonb_object_agg(r.prrelid, jsonb_build_object(
                   'name', c.relname,
                   'is_whole', p.pubinsert AND r.prqual IS NULL
                               AND (p.pubname <> %(whole)s OR p.pubupdate AND p.pubdelete AND p.pubtruncate
                                                              AND r.prattrs IS NULL),
                   'columns', (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute AS a
                               WHERE a.attrelid = r.prrelid AND a.attnum > 0 AND NOT a.attisdropped
                                 AND a.attgenerated = ''
                                 AND (r.prattrs IS NULL OR a.attnum = ANY(r.prattrs::smallint[]))))), '{}')
        FROM pg_publication AS p
        JOIN pg_publication_rel AS r ON r.prpubid = p.oid
        JOIN pg_class AS c ON c.oid = r.prrelid
        WHERE p.pubname = ANY(%(publications)s::text[])) AS published,
       EXISTS (SELECT FROM pg_publication AS p JOIN pg_publication_namespace AS w ON w.pnpubid = p.oid
               WHERE p.pubname = ANY(%(publications)s::text[])) AS has_schemas,
       (SELECT coalesce(jsonb_object_agg(t.relname, jsonb_build_object(
                   'oid', t.oid::bigint, 'identity', t.relreplident, 'is_logged', t.relpersistence = 'p', 'has_parts', t.has_parts,
                   'is_ours', pg_has_role(t.relowner, 'USAGE'),
                   'index', (SELECT x.relname FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
                             WHERE i.indrelid = t.oid AND i.indisreplident),
                   'narrow', (SELECT coalesce(jsonb_agg(p.pubname), '[]')
                              FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
                              WHERE r.prrelid = t.oid AND r.prattrs IS NOT NULL
                                AND p.pubname <> ALL(%(publications)s::text[])))), '{}')
        FROM there AS t) AS tables
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
    SELECT coalesce(wal_status, 'unknown') AS state, confirmed_flush_lsn::text AS flushed,
           pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                           restart_lsn)::bigint AS kept
    FROM pg_replication_slots
    WHERE slot_name = %(slot)s AND database = current_database() AND plugin = 'pgoutput'
) AS s ON true
