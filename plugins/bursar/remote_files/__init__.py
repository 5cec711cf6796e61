"""Folders on the bursar's server, over SFTP and FTP(S): the only way in which files leave and arrive."""
