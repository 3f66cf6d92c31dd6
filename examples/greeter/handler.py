"""The smallest function: an event in, a result out."""


def handler(event, context):
    name = event.get("name", "world")
    return {"greeting": f"Hello, {name}!"}
