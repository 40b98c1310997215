"""The contract that any plug-in must hold, checked on a toy network in seconds."""
