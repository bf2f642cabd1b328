"""Its being here puts this folder on the import path, for the modules that several test folders share."""
