"""Certificates, and what connections make of them."""
