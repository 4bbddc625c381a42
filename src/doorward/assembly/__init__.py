"""How the house is put together, floor by floor: ground, people, traffic, doors. Only `app.py` stands above."""
