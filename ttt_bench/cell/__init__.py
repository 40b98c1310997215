"""One line of work: what it is (``spec``) and how it is done (``run``)."""
