-- Purpose: the table of our own snapshots: one a balance and day, with ids that none of Blnk's has.
ALTER TABLE own_snapshots ALTER COLUMN id SET START WITH 1000000000000;
ALTER TABLE own_snapshots ALTER COLUMN id RESTART;
CREATE UNIQUE INDEX one_snapshot_a_day ON own_snapshots (balance_id, ((snapshot_time AT TIME ZONE 'UTC')::date));
