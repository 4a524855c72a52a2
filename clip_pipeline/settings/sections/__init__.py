"""The sections of the settings, one file each, in which every setting stands once: default, help, choices, bounds."""
