"""Infrastructure: CloudFormation templates, bundles, deployment, and the local stack."""
