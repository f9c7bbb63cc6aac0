#!/usr/bin/env bash
# AWS's own: command line, CDK, and the agents of Systems Manager and CloudWatch.
. "$(dirname "$0")/lib.sh"
scratch

if [ "$DEVCTL_SOURCE_AWS_CLI" = official ] && ! aws --version 2>/dev/null | grep -q "^aws-cli/$AWS_CLI_VERSION "; then
  say "AWS CLI $AWS_CLI_VERSION"
  sha256=$(pinned "AWS_CLI_SHA256_$ARCH_KEY")
  fetch "https://awscli.amazonaws.com/awscli-exe-linux-$ARCH_GNU-$AWS_CLI_VERSION.zip" "$sha256" "$SCRATCH/aws.zip"
  unzip -q "$SCRATCH/aws.zip" -d "$SCRATCH"
  "$SCRATCH/aws/install" --update >/dev/null
fi

say "CDK $AWS_CDK_VERSION"
npm_checked aws-cdk "$AWS_CDK_VERSION" "$AWS_CDK_INTEGRITY"
npm install --global --prefix /usr/local --no-audit --no-fund --loglevel=error --ignore-scripts "aws-cdk@$AWS_CDK_VERSION"

# The packages of the agents start them, and that of Systems Manager refuses to be installed while the one of the base image, a snap,
# is there: through which the bake itself may be connected. So they are unpacked, not installed, and start with the next boot.
unpack_deb() { # unpack_deb URL SHA256
  fetch "$1" "$2" "$SCRATCH/package.deb"
  rm -rf "$SCRATCH/unpacked"
  dpkg-deb --extract "$SCRATCH/package.deb" "$SCRATCH/unpacked"
  tar -C "$SCRATCH/unpacked" --create . | tar -C / --extract --keep-directory-symlink --no-overwrite-dir --owner=root --group=root
}

if [ "$DEVCTL_SOURCE_SSM_AGENT" = official ]; then
  say "Systems Manager agent $SSM_AGENT_VERSION"
  sha256=$(pinned "SSM_AGENT_SHA256_$ARCH_KEY")
  unpack_deb "https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent/$SSM_AGENT_VERSION/debian_$ARCH/amazon-ssm-agent.deb" "$sha256"
  systemctl enable --quiet amazon-ssm-agent.service
fi

if [ "$DEVCTL_SOURCE_CLOUDWATCH_AGENT" = official ]; then
  say "CloudWatch agent $CLOUDWATCH_AGENT_VERSION"
  sha256=$(pinned "CLOUDWATCH_AGENT_SHA256_$ARCH_KEY")
  unpack_deb "https://amazoncloudwatch-agent.s3.amazonaws.com/ubuntu/$ARCH/$CLOUDWATCH_AGENT_VERSION/amazon-cloudwatch-agent.deb" "$sha256"
fi
put etc/devctl/cloudwatch.json
put usr/lib/devctl/cloudwatch-config 0755
put etc/systemd/system/devctl-cloudwatch.service
systemctl enable --quiet devctl-cloudwatch.service
