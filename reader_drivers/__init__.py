"""What talks to readers, real or simulated, and never knows which."""
