"""As heavy/, with the clients of AWS and of PostgreSQL."""
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

import boto3
import psycopg2


def handler(event, context):
    return None
