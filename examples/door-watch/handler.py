"""Waits for somebody at a door: for one message of an MQTT broker, however long that takes."""
import os

import paho.mqtt.client as mqtt

# After so many seconds without a message the client wakes up, tells the broker that it is still
# there, and waits again. loop_forever() would wake up every second.
KEEP_ALIVE = 12 * 60 * 60


def handler(event, context):
    rings = []
    broker = mqtt.Client()
    broker.on_connect = lambda *_: broker.subscribe(f"doors/{event['door']}", qos=1)
    broker.on_message = lambda _, __, message: rings.append(message.payload.decode())
    broker.connect(os.environ["BROKER"], int(os.environ.get("PORT", "1883")), KEEP_ALIVE)
    while not rings:
        proceed(broker)
    answer = broker.publish(f"doors/{event['door']}/answer", f"Welcome, {rings[0]}!", qos=1,
                            retain=True)
    while not answer.is_published():
        proceed(broker)
    broker.disconnect()
    return {"door": event["door"], "rang": rings[0]}


def proceed(broker):
    """One turn of the client: until something comes, or it is time for a sign of life."""
    code = broker.loop(timeout=KEEP_ALIVE)
    if code != mqtt.MQTT_ERR_SUCCESS:
        raise ConnectionError(mqtt.error_string(code))
