"""What each study makes of its stored numbers: tables, and what can be said. One file per study, or two alike."""
