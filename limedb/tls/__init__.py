"""Certificates, and how connections use them."""
