"""What attackers add to a network's data: identities, what they hold, whom they endorse."""
