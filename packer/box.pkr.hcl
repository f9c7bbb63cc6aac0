# The image of a box: `npm run image -- bake` runs this with what the launcher's file says, and publishes what comes out.

locals {
  ubuntu = {
    "24.04" = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04"
    "22.04" = "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04"
  }
  arch = {
    x86_64 = { name = "amd64", instance_type = "m7i-flex.large" }
    arm64  = { name = "arm64", instance_type = "m7g.large" }
  }
  built = formatdate("YYYYMMDD-hhmmss", timestamp())

  # Not `devctl:deployment`: what has that tag is a box of the launcher, which lets go what it does not know.
  tags = {
    env               = "dev"
    owner             = "ai"
    "devctl:image-of" = var.deployment
    "devctl:arch"     = var.arch
    "devctl:version"  = var.version
    "devctl:ubuntu"   = var.ubuntu
  }
}

source "amazon-ebs" "box" {
  region        = var.region
  instance_type = local.arch[var.arch].instance_type
  subnet_id     = var.subnet_id

  source_ami_filter {
    # Canonical's own images.
    owners      = ["099720109477"]
    most_recent = true
    filters = {
      name                = "${local.ubuntu[var.ubuntu]}-${local.arch[var.arch].name}-server-*"
      architecture        = var.arch
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  # No inbound rule: the connection comes through Session Manager, whose agent is in Ubuntu's image.
  communicator         = "ssh"
  ssh_interface        = "session_manager"
  ssh_username         = "bake"
  iam_instance_profile = var.instance_profile
  security_group_ids   = [var.security_group_id]
  pause_before_ssm     = "20s"
  ssh_timeout          = "10m"
  # The id 1000 is that of the workload's user; this one is gone before the image is taken.
  user_data = <<-EOF
    #cloud-config
    system_info:
      default_user:
        name: bake
        uid: 60000
        gecos: bakes this image
        groups: []
        sudo: ["ALL=(ALL) NOPASSWD:ALL"]
        shell: /bin/bash
    EOF

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  # Whatever is launched from the image asks with a token, too.
  imds_support = "v2.0"

  launch_block_device_mappings {
    device_name           = "/dev/sda1"
    volume_type           = "gp3"
    volume_size           = var.root_gib
    iops                  = 3000
    throughput            = 125
    encrypted             = true
    kms_key_id            = var.kms_key_id
    delete_on_termination = true
  }

  shutdown_behavior = "terminate"
  ami_name          = "devctl-${var.deployment}-${var.arch}-${local.built}"
  ami_description   = "devctl ${var.version} for ${var.deployment}: Ubuntu ${var.ubuntu}, ${var.arch}"
  tags              = merge(local.tags, { Name = "devctl-${var.deployment}-${var.arch}", "devctl:base-image" = "{{ .SourceAMI }}" })
  snapshot_tags     = local.tags
  run_tags          = merge(local.tags, { Name = "devctl-${var.deployment}-bake" })
  run_volume_tags   = local.tags
}

build {
  sources = ["source.amazon-ebs.box"]

  provisioner "shell" {
    inline = [
      "cloud-init status --wait >/dev/null || true",
      "mkdir -p /tmp/devctl-image /tmp/devctl-dist",
    ]
  }

  provisioner "file" {
    sources     = ["${path.root}/provision", "${path.root}/files", "${path.root}/versions.env", "${path.root}/caches.json", "${path.root}/verify.sh"]
    destination = "/tmp/devctl-image/"
  }

  provisioner "file" {
    sources     = ["${path.root}/../dist/agent.cjs", "${path.root}/../dist/agent.json", "${path.root}/../dist/devctl.cjs"]
    destination = "/tmp/devctl-dist/"
  }

  # Everything in one: the last steps take away the user that this connection belongs to, and the check comes after them.
  provisioner "shell" {
    inline     = ["sudo DEVCTL_STRICT=1 DEVCTL_DIST=/tmp/devctl-dist DEVCTL_BAKE_USER=bake bash /tmp/devctl-image/provision/run.sh"]
    skip_clean = true
    timeout    = "45m"
  }

  post-processor "manifest" {
    output      = "${path.root}/manifest.json"
    custom_data = { arch = var.arch, deployment = var.deployment, ubuntu = var.ubuntu }
  }
}
