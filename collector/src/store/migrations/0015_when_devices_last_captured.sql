-- When the lane last moved, by the collector's clock: what devices that took a release capture since is compared with the others.
ALTER TABLE high_water ADD COLUMN moved_us INTEGER NOT NULL DEFAULT 0;
