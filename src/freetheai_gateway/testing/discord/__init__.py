"""A Discord of one's own: it signs and sends interactions, shows answers to people, and refuses what Discord refuses.

Limits are those of Discord's developer documentation as of August 2026.
"""
