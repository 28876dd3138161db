"""Runs statements on SQLite as the platform does: numbers are bound as floats. A line in is [sql, [value, …]], a line out its rows."""

import json
import sqlite3
import sys

database = sqlite3.connect(":memory:")
for line in sys.stdin:
    sql, values = json.loads(line)
    values = [float(value) if isinstance(value, int) else value for value in values]
    print(json.dumps([list(row) for row in database.execute(sql, values)]))
