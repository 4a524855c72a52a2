"""What happens by itself: sources that are looked at, conditions, schedules and sensors.

`data_folder.py` is the one sensor that runs from the start: it starts no run, it keeps the history a mirror of the folder.
"""
