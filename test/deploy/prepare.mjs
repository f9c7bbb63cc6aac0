// What the suite of test/deploy needs on this machine, before it begins: Python and moto.
import { installMoto } from '../aws/install-moto.mjs';

installMoto();
