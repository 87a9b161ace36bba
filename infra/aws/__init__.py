"""Templates, bundles and deployment: the same for AWS and for the lake on one machine."""
