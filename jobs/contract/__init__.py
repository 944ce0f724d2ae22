"""What was agreed: the input's schema, the policy, and what the model needs of both."""
