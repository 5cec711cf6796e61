"""Folders on the bursar's server over SFTP, FTP and FTPS: all exported files and payment files pass through them."""
