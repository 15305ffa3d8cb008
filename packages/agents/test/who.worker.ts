/** Prints who it acts for. Runs against the built package. */
import { findIdentity } from "@lease/agents";

console.log(findIdentity().agentId);
