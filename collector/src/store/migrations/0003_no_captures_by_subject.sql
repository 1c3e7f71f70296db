-- Nothing asks for captures by their subject: a concern names its own. Each subject's place in that index was a page of
-- the log for every commit of its captures.

DROP INDEX captures_by_subject;
