-- Whether a concern holds something that the web filter reported, so that a list of concerns need not look for it.
ALTER TABLE concerns ADD COLUMN from_filter INTEGER NOT NULL DEFAULT 0;

UPDATE concerns SET from_filter = 1 WHERE EXISTS (
    SELECT 1 FROM concern_captures AS l
    JOIN captures AS k ON k.school_id = l.school_id AND k.capture_id = l.capture_id
    JOIN devices AS d ON d.school_id = k.school_id AND d.device_id = k.device_id
    WHERE l.school_id = concerns.school_id AND l.concern_id = concerns.concern_id AND d.os = 'filter');
