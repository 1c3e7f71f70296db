-- When the lane last moved, by the collector's clock: what devices that took a release capture since is compared with the others.
ALTER TABLE high_water ADD COLUMN moved_us INTEGER NOT NULL DEFAULT 0;

-- Why the device was last refused, by the name in lapwing.v1.ErrorCode, and when: why a PC is silent.
ALTER TABLE devices ADD COLUMN refused_code TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN refused_us INTEGER;
