"""`/api/v1/*`, for people and programs that run Doorward. A file a noun.

plane    the app      declare   what each route must say of itself, and its guard
parts    what it is handed      errors   everything in the one shape      fields   what goes in and out
"""

from doorward.edge.control_plane.plane import control_plane

__all__ = ["control_plane"]
