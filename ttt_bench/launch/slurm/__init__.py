"""The plan on a Slurm cluster: profile, schedule, submission, and what runs on a node."""
