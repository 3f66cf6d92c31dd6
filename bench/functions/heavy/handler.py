"""A start that imports what many functions import, and a handler that does nothing."""
# pylint: disable=unused-import
import asyncio
import decimal
import email.message
import http.client
import json
import sqlite3
import ssl
import unittest
import urllib.request
import xml.dom.minidom
import xml.etree.ElementTree


def handler(event, context):
    return None
