"""What routes and limits keep."""
