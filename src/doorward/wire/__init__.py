"""Bytes on the wire: the fields we read, SSE, the error envelope, header allow-lists, multipart."""
