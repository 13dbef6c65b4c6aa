"""What people say of the adversarial texts: sheets to fill in, and their import – from records alone."""
