-- What the pages ask for in a school with years of concerns: the lists in the order in which they are shown, and what
-- happened about the same time. The conditions and the order are written as the queries have them.
CREATE INDEX concerns_open ON concerns (school_id, level DESC, (state IN ('new', 'reopened', 'transferred')) DESC, opened_us,
    reference) WHERE merged_into IS NULL AND state NOT IN ('closed', 'signed_off');
CREATE INDEX concerns_done ON concerns (school_id, changed_us DESC, reference)
    WHERE merged_into IS NULL AND state IN ('closed', 'signed_off');
CREATE INDEX concerns_by_time ON concerns (school_id, first_us);
