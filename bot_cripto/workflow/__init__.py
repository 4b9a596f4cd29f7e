"""What surrounds the workflow: a run, a job, what failed attempts leave, the way in."""
