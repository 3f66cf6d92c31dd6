"""Waits until an order is paid: for a notification of a PostgreSQL database, however long that
takes."""
import contextlib
import os
import select

import psycopg2


def handler(event, context):
    with contextlib.closing(psycopg2.connect(os.environ["DATABASE"])) as desk:
        desk.autocommit = True
        with desk.cursor() as rows:
            # Before the first look, so that no payment falls between the two.
            rows.execute("LISTEN paid")
            while not (order := paid(rows, event["order"])):
                if not desk.notifies:
                    select.select([desk], [], [])
                    desk.poll()
                desk.notifies.clear()
    return {"order": event["order"], "pack": order[0]}


def paid(rows, order):
    rows.execute("SELECT item FROM orders WHERE id = %s AND paid", (order,))
    return rows.fetchone()
