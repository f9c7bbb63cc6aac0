// What an image names as the command that ends the machine: here it asks the account to cut the power of this one.
await fetch(process.argv[2], { method: 'POST' });
